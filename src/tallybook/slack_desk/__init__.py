"""What people do in Slack, taken to the rota: read, shown and done. Of Slack's wires it knows nothing."""
