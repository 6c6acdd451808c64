"""Who is told of an alarm, and by what: the composition of the alarms, for the processes that watch."""
