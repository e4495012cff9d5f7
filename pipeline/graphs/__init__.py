"""What a run does, as graphs of Beam: batch, streaming, corrections of earlier replays."""
