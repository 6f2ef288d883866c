// The page: three parts, one of which is shown, and what the server says that it serves.

import { startClassify } from "./classify.js";
import { find, tell, wait } from "./dom.js";
import { Away, readMap, readVersion } from "./http.js";
import { openLabel, startLabel } from "./label.js";
import { searchWith, showImages, startSearch } from "./search.js";

const PARTS = ["search", "classify", "label"];

function showPart(event) {
    const asked = location.hash.slice(1), part = PARTS.includes(asked) ? asked : PARTS[0];
    if (asked === "content" && event) return; // the link that skips the navigation
    for (const name of PARTS) find(name).hidden = name !== part;
    for (const link of document.querySelectorAll("nav a")) {
        if (link.hash === `#${part}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
    if (event) find(`${part}-title`).focus({ preventScroll: true });
    if (part === "label") openLabel();
}

async function start() {
    const tellAway = (line) => tell(find("away"), line && `${line} What you do is kept and sent when it is back.`);
    const classifyImage = startClassify(searchWith);
    startSearch(classifyImage);
    startLabel(tellAway);
    addEventListener("hashchange", showPart);
    showPart();
    for (;;) {
        try {
            const [version, { points }] = await Promise.all([readVersion(), readMap()]);
            describe(version, points.length);
            showImages(points);
            break;
        } catch (fault) {
            tell(find("search-fault"), fault.message);
            if (!(fault instanceof Away)) break;
            await wait(2000);
        }
    }
    document.documentElement.dataset.ready = "yes";
}

function describe(version, images) {
    const words = [`${images.toLocaleString("en")} images`];
    if (version.encoder) words.push(`encoder ${String(version.encoder).slice(0, 12)}`);
    tell(find("served"), words.join(" · "));
}

start();
