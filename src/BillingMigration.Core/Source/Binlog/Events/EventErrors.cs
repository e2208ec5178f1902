using System.Globalization;

namespace BillingMigration.Source.Binlog;

/// <summary>What stops the decoding of events, in words for the operator.</summary>
internal static class EventErrors
{
    private const string UnreadableId = "BinlogUnreadable";

    private const string Remedy = "Compare with mysqlbinlog there; when the binlog itself is damaged, begin anew with Export-BillingSnapshot -Restart.";

    /// <summary>Bytes that are no well-formed event. Nothing is guessed: the reader stops.</summary>
    /// <param name="what">What is wrong with them, without any column's value.</param>
    public static MigrationException Unreadable(string what, Exception? cause = null) =>
        new(UnreadableId, MigrationErrorKind.DataRefused, $"The binlog cannot be read: {what}. {Remedy}", null, cause);

    /// <summary>The same error with the place, when it has none yet.</summary>
    public static MigrationException At(MigrationException error, string file, long endOffset) => error.ErrorId != UnreadableId || error.Target is not null
        ? error
        : new MigrationException(
            UnreadableId, MigrationErrorKind.DataRefused,
            error.Message.Replace(". " + Remedy, string.Create(CultureInfo.InvariantCulture, $", in the event that ends at {file}:{endOffset}. {Remedy}"), StringComparison.Ordinal),
            string.Create(CultureInfo.InvariantCulture, $"{file}:{endOffset}"), error.InnerException);

    /// <summary>Row events came with MySQL 5.1, and the format of files that has them with 5.0.</summary>
    public static MigrationException BeforeRows() => Unreadable("it was written by a server before MySQL 5.0, which logs statements, not rows");

    public static MigrationException UnknownEvent(int type, string file, long endOffset) => new(
        "BinlogEventUnknown", MigrationErrorKind.WrongState,
        string.Create(CultureInfo.InvariantCulture, $"The event that ends at {file}:{endOffset} has the type {type}, which this version does not know and may not skip. Look at it with mysqlbinlog, and update this module; changes behind it are not applied until then."),
        string.Create(CultureInfo.InvariantCulture, $"{file}:{endOffset}"));

    public static MigrationException Incident(string message, string file, long endOffset) => new(
        "BinlogIncident", MigrationErrorKind.WrongState,
        string.Create(CultureInfo.InvariantCulture, $"The source wrote an incident into its binlog at {file}:{endOffset} ({message}): changes may be missing behind it. {BinlogErrors.FromNow}"),
        string.Create(CultureInfo.InvariantCulture, $"{file}:{endOffset}"));

    public static MigrationException Encrypted(string file) => new(
        "BinlogEncrypted", MigrationErrorKind.WrongState,
        $"The binlog file {file} is encrypted: only the server itself can read it. Follow the server instead of its files.", file);
}
