/* What goes on beyond the edge of its box says at which side, and a keyboard can scroll it. */

const ROUNDING = 8; // pixels: the room beside a last column; nobody scrolls for that

function watchEdges(box) {
  function look() {
    const most = box.scrollWidth - box.clientWidth;
    const scrolls = most > ROUNDING;
    const sides = {left: box.scrollLeft > 1, right: box.scrollLeft < most - 1};
    box.dataset.more = scrolls ? Object.keys(sides).filter(side => sides[side]).join(" ") : "";
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
  const sizes = new ResizeObserver(look);
  for (const seen of [box, ...box.children]) sizes.observe(seen);
  box.addEventListener("scroll", look, {passive: true});
}

document.querySelectorAll(".wide").forEach(watchEdges);
