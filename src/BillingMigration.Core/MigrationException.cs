namespace BillingMigration;

/// <summary>What kind of trouble an error is; the PowerShell module maps it to an <c>ErrorCategory</c>.</summary>
public enum MigrationErrorKind
{
    InvalidDefinition,
    InvalidArgument,
    Unreachable,
    AuthenticationFailed,
    PermissionDenied,
    SecurityViolation,
    NotFound,
    WrongState,
    Busy,
    LimitExceeded,
    DataRefused,
    Unexpected,
}

/// <summary>
/// An error for an operator: the message names the thing, the value, the limit and the next step, and never holds a
/// secret or the value of a sensitive column.
/// </summary>
public sealed class MigrationException : Exception
{
    /// <param name="errorId">Stable identifier, PascalCase, for example <c>SourceUnreachable</c>; scripts test for it.</param>
    /// <param name="kind">Kind of trouble.</param>
    /// <param name="message">Sentence or sentences for the operator; the last one says what to do.</param>
    /// <param name="target">What the error is about: a host, a table, a file, an entity.</param>
    /// <param name="inner">Cause, if any.</param>
    public MigrationException(string errorId, MigrationErrorKind kind, string message, object? target = null, Exception? inner = null)
        : base(message, inner)
    {
        ErrorId = errorId;
        Kind = kind;
        Target = target;
    }

    public string ErrorId { get; }

    public MigrationErrorKind Kind { get; }

    public object? Target { get; }
}
