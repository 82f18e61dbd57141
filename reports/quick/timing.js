const seconds = {
 "edsr-baseline": "0.37 s",
 "rdn": "0.40 s",
 "swinir": "0.61 s",
 "no-cross-scale": "0.27 s",
 "no-modulation": "0.96 s",
 "no-position": "0.33 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
