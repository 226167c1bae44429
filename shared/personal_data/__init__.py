"""Personal data 个人信息: encrypted under keys kept outside the logs."""
