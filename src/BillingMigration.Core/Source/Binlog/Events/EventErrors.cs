namespace BillingMigration.Source.Binlog;

/// <summary>What stops the decoding of events, in words for the operator.</summary>
internal static class EventErrors
{
    /// <summary>Bytes that are no well-formed event. Nothing is guessed: the reader stops.</summary>
    /// <param name="what">What is wrong with them, without any column's value.</param>
    public static MigrationException Unreadable(string what, Exception? cause = null) => new(
        "BinlogUnreadable", MigrationErrorKind.DataRefused,
        $"The binlog cannot be read: {what}. If it happens again at the same position, compare with mysqlbinlog there, and begin anew with Export-BillingSnapshot -Restart when the binlog is damaged.",
        null, cause);
}
