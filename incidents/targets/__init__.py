"""The systems that are told of an incident: each knows how it wants to be told, and none sends anything."""
