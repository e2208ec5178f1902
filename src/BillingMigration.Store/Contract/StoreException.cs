namespace BillingMigration.Store;

/// <summary>What a store refuses, the same on every backend.</summary>
public enum StoreError
{
    /// <summary>The definition has no such entity.</summary>
    EntityUnknown,

    /// <summary>The entity has no such column, or it is not migrated.</summary>
    ColumnUnknown,

    /// <summary>A value does not fit its column: type, range, length, character set, member of an ENUM, NULL where none may be.</summary>
    ValueInvalid,

    /// <summary>A row must be inserted with a value for a column that has no default.</summary>
    ValueMissing,

    /// <summary>No key of the table answers the query without reading all of it.</summary>
    NoAccessPath,

    /// <summary>Rows cannot be returned in this order.</summary>
    OrderNotSupported,

    /// <summary>What cannot be added up exactly.</summary>
    SumNotExact,

    /// <summary>A continuation is none of this query's.</summary>
    ContinuationInvalid,

    /// <summary>A unique key has this value already.</summary>
    DuplicateKey,

    /// <summary>A foreign key's parent is not there. Of several, one is named, and not the same one by every server.</summary>
    ParentMissing,

    /// <summary>Rows refer to this one, and their foreign key forbids it (RESTRICT, NO ACTION).</summary>
    HasChildren,

    /// <summary>The row is no more what the caller read, or is gone: read it again.</summary>
    Conflict,

    /// <summary>More rows than one atomic write holds.</summary>
    TooManyRows,

    /// <summary>What the store does not do; the message says what does.</summary>
    NotSupported,
}

/// <summary>A refusal of the store; its message never holds the value of a sensitive column.</summary>
public sealed class StoreException : Exception
{
    /// <param name="subject">Constraint, column, entity or query that it is about.</param>
    public StoreException(StoreError error, string subject, string message, Exception? inner = null)
        : base(message, inner) => (Error, Subject) = (error, subject);

    public StoreError Error { get; }

    public string Subject { get; }

    /// <summary>The store has tried for as long as it tries: who called it does not.</summary>
    internal bool HasWaited { get; init; }
}
