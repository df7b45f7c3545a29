// The app's own worker is a second entry, which keeps its address.
export default {
  build: {
    rollupOptions: {
      input: { main: "index.html", sw: "sw.js" },
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
  },
};
