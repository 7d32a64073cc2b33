// Colours and shapes of the groups on a map, apart from one another in light and dark and without colour.

export const LIGHT = ["#332288", "#CC6677", "#117733", "#2f8fc4", "#882255", "#7d7d1f", "#2f8f80", "#AA4499", "#a98a1c", "#555555"];
export const DARK = ["#9d94ef", "#ef8f9f", "#5cc07c", "#8ed4f5", "#d66ba3", "#c9c95f", "#63ccba", "#d98acb", "#e8d987", "#b5b5bd"];
export const SHAPES = ["circle", "square", "up", "diamond", "down", "plus", "cross", "left", "right", "ring"];

/** Draw a shape of radius r around (x, y). */
export function shape(pen, kind, x, y, r) {
  pen.beginPath();
  const lines = {
    up: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]], down: [[0, 1.2], [1.1, -0.8], [-1.1, -0.8]],
    left: [[-1.2, 0], [0.8, 1.1], [0.8, -1.1]], right: [[1.2, 0], [-0.8, 1.1], [-0.8, -1.1]],
    diamond: [[0, -1.25], [1.1, 0], [0, 1.25], [-1.1, 0]], square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    plus: [[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]],
    cross: [[-1.1, -0.6], [-0.6, -1.1], [0, -0.5], [0.6, -1.1], [1.1, -0.6], [0.5, 0], [1.1, 0.6], [0.6, 1.1], [0, 0.5], [-0.6, 1.1], [-1.1, 0.6], [-0.5, 0]],
    star: Array.from({ length: 10 }, (_, i) => {
      const a = (Math.PI * i) / 5 - Math.PI / 2;
      const l = i % 2 ? 0.75 : 1.8;
      return [l * Math.cos(a), l * Math.sin(a)];
    }),
  };
  if (kind === "circle" || kind === "ring") pen.arc(x, y, r, 0, 2 * Math.PI);
  else {
    lines[kind].forEach(([dx, dy], i) => pen[i ? "lineTo" : "moveTo"](x + r * dx, y + r * dy));
    pen.closePath();
  }
  if (kind === "ring") pen.stroke();
  else pen.fill();
}
