// What an app adds to a classic worker that Workbox generates, through the option `importScripts`.
importScripts("/longhaul/sw.classic.js");
longhaul.attach();
