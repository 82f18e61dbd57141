const seconds = {
 "edsr-baseline": "0.40 s",
 "rdn": "0.43 s",
 "swinir": "0.55 s",
 "no-cross-scale": "0.22 s",
 "no-modulation": "0.78 s",
 "no-position": "0.37 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
