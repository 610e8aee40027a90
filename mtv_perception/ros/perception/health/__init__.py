"""What watches over the node: diagnoses, the watchdog, the images' health, the service manager."""
