//! Orders, waves, priority, activation and outcomes: the conductor of a campaign.
