const seconds = {
 "edsr-baseline": "0.52 s",
 "rdn": "0.55 s",
 "swinir": "0.59 s",
 "no-cross-scale": "0.32 s",
 "no-modulation": "1.08 s",
 "no-position": "0.42 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
