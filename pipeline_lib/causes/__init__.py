"""Why two runs answer a photograph differently: their models are trained again between the one and the other."""
