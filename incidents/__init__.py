"""The room of flagged incidents: the durable journal, its record, export and delivery."""
