"""What every network here is built of: functions, layers, blocks, the optimizer, the policy gradient."""
