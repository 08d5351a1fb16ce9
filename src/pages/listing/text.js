// All words that this script shows. A translation is one more table of this kind.
const LISTING_TEXT = {
  switchTheme: 'switch between light and dark',
  fromTerminal: 'From a terminal: ',
  filter: 'Filter this folder',
  shown: (some, all) => `${some} of ${all} shown`,
  nothingShown: 'No name here contains that.',
}
