/** A record can not be kept because an id was used before or a unique field is taken. */
export class DuplicateError extends Error {
  readonly collection: string
  /** The one that is taken. */
  readonly field: string

  constructor (collection: string, field: string) {
    super(`${collection}: there is one with this ${field} already`)
    this.name = 'DuplicateError'
    this.collection = collection
    this.field = field
  }
}

/** A record has another revision than the one that was to be replaced, or is gone. */
export class StaleRevisionError extends Error {
  readonly collection: string
  readonly id: string

  constructor (collection: string, id: string) {
    super(`${collection}: ${id} was changed meanwhile`)
    this.name = 'StaleRevisionError'
    this.collection = collection
    this.id = id
  }
}

/** The store does not answer. */
export class StoreUnavailableError extends Error {
  /** It has to be opened anew: another store is in the place of the one that was opened, or what leads to it is broken. */
  readonly reopen: boolean

  constructor (message: string, { cause, reopen = false }: { cause?: unknown, reopen?: boolean } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StoreUnavailableError'
    this.reopen = reopen
  }
}

/** The store was written by a newer version of the gateway: nothing of it is touched. */
export class StoreTooNewError extends Error {
  readonly version: number
  readonly known: number

  constructor (version: number, known: number) {
    super(`the store has format ${version}, this version knows up to ${known}: start the newer version, or restore a backup of the older format into another store`)
    this.name = 'StoreTooNewError'
    this.version = version
    this.known = known
  }
}

/** A record, an id or a condition is none that every engine keeps and compares alike. Says what is wrong with it, never its value. */
export class InvalidValueError extends Error {
  readonly collection: string
  /** The first fields on the way to what is wrong; empty for the whole. */
  readonly path: readonly string[]

  constructor (collection: string, path: readonly string[], problem: string) {
    super(`${[collection, ...path].join('.')} ${problem}`)
    this.name = 'InvalidValueError'
    this.collection = collection
    this.path = path
  }
}

/** A migration was applied to the store in another form than the one that this version has: the two must not meet. */
export class MigrationChangedError extends Error {
  readonly version: number

  constructor (version: number) {
    super(`migration ${version} was applied to the store in another form than this version has it: start the version that applied it`)
    this.name = 'MigrationChangedError'
    this.version = version
  }
}

/** A file can not be restored: it is torn, was changed, is no backup, or the store has something already. Nothing was written. */
export class BackupError extends Error {
  readonly path: string

  constructor (path: string, problem: string) {
    super(`${path}: ${problem}`)
    this.name = 'BackupError'
    this.path = path
  }
}
