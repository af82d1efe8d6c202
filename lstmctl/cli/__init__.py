"""The command line: one short file a verb. Bodies import what they use, so that help and completion stay quick."""
