return {eur = 0.9}
