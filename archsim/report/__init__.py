"""Tables, figures and sentences of runs. Nothing here computes a result; everything takes Runs and costs."""
