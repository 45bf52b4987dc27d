"""What an engineer sees: each panel draws one part of a `Snapshot` and holds no data of its own."""
