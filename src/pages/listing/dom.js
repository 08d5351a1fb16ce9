// Finds and makes elements.
//
// The files of this folder are one script: the server joins them (`JS` in src/files/listing/mod.rs). So a function of
// one file can be called in all others, and in those of the folder `upload`, which are a second script.

/** The first element that fits a CSS selector, or null. */
function one(selector) {
  return document.querySelector(selector)
}

/** A new element with these properties and children. */
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children)
  return element
}

/** A new button that does something. */
function makeButton(label, onclick, properties) {
  return make('button', { type: 'button', className: 'button', textContent: label, onclick, ...properties })
}
