"use strict";
// Show the sections that hold every word typed.
const box = document.getElementById("search");
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const section of document.querySelectorAll(".op")) {
    const shown = words.every((word) => section.dataset.words.includes(word));
    section.hidden = !shown;
    const link = document.querySelector(`nav a[href="#${CSS.escape(section.id)}"]`);
    if (link) link.parentElement.hidden = !shown;
  }
});
