"""What is said in Slack: messages, modals and the App Home, built from the rota's facts and read back. Pure."""
