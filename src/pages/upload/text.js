// All words that this script shows. A translation is one more table of this kind.
const UPLOAD_TEXT = {
  // The table and the buttons of the page.
  deleteColumn: 'Delete',
  deleteFile: name => `delete ${name}`,
  addFiles: 'Add files',
  replaceFiles: 'Replace files',
  chooseFiles: 'Choose files',
  chooseFolder: 'Choose a folder',
  folderToAdd: 'folder to add',
  dropAny: 'Drop files or folders anywhere on this page.',
  dropToReplace: 'Drop files anywhere on this page to replace those of the same names.',

  // The question before something is deleted.
  deleteQuestion: name => `Delete ${name}?`,
  deletesEmptyFolders: 'Only an empty folder can be deleted.',
  cannotUndo: size => `${size}. You cannot get it back.`,
  delete: 'Delete',
  keep: 'Keep it',
  close: 'Close',
  deleted: name => `${name} was deleted.`,
  changedMeanwhile: 'The file has just been changed. Look at it again first.',
  unreachable: 'The server could not be reached.',

  // One upload.
  uploads: 'uploads',
  progressOf: path => `progress of ${path}`,
  waiting: 'waiting',
  storing: 'being stored',
  stored: '✓ stored',
  storedIn: (size, time) => ` · ${size} in ${time}`,
  open: 'open',
  openFile: name => `open ${name}`,
  notSent: 'Not sent.',
  cancelled: 'Cancelled. Nothing was stored.',
  connectionLost: 'The connection was lost. Nothing was stored.',
  unreadable: 'The file cannot be read.',
  refused: status => `The server answered with ${status}.`,
  noneToReplace: name => `There is no ${name} here to replace.`,
  failedBecause: (name, reason) => `${name}: ${reason}`,
  cancel: name => `cancel ${name}`,
  dismiss: name => `remove ${name} from this list`,
  tryAgain: 'Try again',

  // A name that is taken.
  fileExists: name => `There is already a ${name} here.`,
  folderExists: name => `There is already a folder ${name} here.`,
  replace: 'Replace it',
  keepBoth: 'Keep both',
  leaveOut: name => `leave out ${name}`,

  // All uploads together.
  filesStored: (stored, all) => `${stored} of ${all} files stored`,
  whileBusy: (files, progress) => `${files} · ${progress}`,
  whenDone: files => `${files}.`,
  cancelAll: 'Cancel all',
  replaceAll: 'Replace all',
  keepAll: 'Keep all',

  // Sizes and times.
  units: ['B', 'kB', 'MB', 'GB', 'TB'],
  sizeInUnit: (number, unit) => `${number} ${unit}`,
  seconds: number => `${number} s`,
  minutes: number => `${number} min`,
  hours: number => `${number} h`,
  sizeOf: (some, all) => `${some} of ${all}`,
  progress: (sizes, rate, left) => `${sizes} · ${rate}/s · ${left} left`,
}
