"""The notifier: tells people about alerts, over the channels that the chains of escalation name.

The engine writes what is due to `escalations.events`; the notifier delivers it and writes what became of it to the same
topic, its ledger. So a restart knows from the topic alone what is still owed, and anybody can read who was told when.
"""
