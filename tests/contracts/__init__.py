"""What others rely on: the AI SDK's wire, the API's description, known faults of earlier versions."""
