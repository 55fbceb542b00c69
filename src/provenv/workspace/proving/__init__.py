"""What is stored is what was locked: verified, repaired, collected, looked at again after a power cut."""
