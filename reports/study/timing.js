const seconds = {
 "edsr-baseline": "0.89 s",
 "rdn": "1.31 s",
 "swinir": "5.15 s",
 "no-cross-scale": "0.64 s",
 "no-modulation": "1.37 s",
 "no-position": "0.83 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
