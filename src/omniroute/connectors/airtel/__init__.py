"""Airtel Money: pays out to wallets in fourteen countries, with an encrypted PIN in every order."""
