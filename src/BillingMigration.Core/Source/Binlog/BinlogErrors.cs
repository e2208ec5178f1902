using BillingMigration.Source.Binlog.Wire;

namespace BillingMigration.Source.Binlog;

/// <summary>What goes wrong with the change stream, in words for the operator.</summary>
internal static class BinlogErrors
{
    /// <summary>The way on where the binlog between a checkpoint and now cannot be read: the snapshot stays.</summary>
    internal const string FromNow = "Sync-BillingChanges -Restart goes on from where the source stands now, and compares every entity with it.";

    /// <param name="of">Whose binlog it was, as a noun.</param>
    /// <param name="wayOn">A sentence.</param>
    internal static MigrationException HistoryChanged(string of, string host, string wayOn) => new(
        "SourceHistoryChanged", MigrationErrorKind.WrongState,
        $"The binlog of {host} is another one than that of {of}: it was begun anew (RESET BINARY LOGS AND GTIDS, RESET MASTER), or the server was "
        + $"restored or copied. What was changed since then cannot be read from it. {wayOn}",
        host);

    private const int AccessDenied = 1045;
    private const int DatabaseAccessDenied = 1044;
    private const int PrivilegeMissing = 1227;
    private const int ReadingBinlogFailed = 1236;

    // Server shutdown, statement or connection killed, idle too long, closed by the administrator, network trouble seen by the server.
    private static readonly int[] Passing = [1053, 1077, 1079, 1158, 1159, 1160, 1161, 1317, 1927, 3169, 4031, 1040, 1203, 1205];

    public static Exception From(ServerErrorException error, string place, BinlogStart start) => error.Code switch
    {
        AccessDenied or DatabaseAccessDenied or PrivilegeMissing => new MigrationException(
            "SourcePrivilegeMissing", MigrationErrorKind.PermissionDenied,
            $"The source account may not follow the binlog of {place}: {ErrorText.Sentence(error)} Grant it: GRANT REPLICATION SLAVE ON *.* TO the account (MariaDB knows the same right as REPLICATION REPLICA).",
            "REPLICATION SLAVE", error),
        _ when Says(error, "same server_uuid") || Says(error, "same server_id") => new MigrationException(
            "BinlogReplicaIdTaken", MigrationErrorKind.Busy,
            $"Another replica with the same identity has connected to {place}, so the source ended this one: {ErrorText.Sentence(error)} Let only one job follow the binlog for a migration.", place, error),
        ReadingBinlogFailed => FromReading(error, place, start),
        _ when Passing.Contains(error.Code) => new BinlogConnectionLostException($"The source {place} ended the binlog connection: {ErrorText.Sentence(error)}", error),
        _ => Failed(error, place),
    };

    public static BinlogConnectionLostException Lost(string place, Exception error) =>
        new($"The binlog connection to the source {place} is lost: {error.Message}", error);

    public static BinlogConnectionLostException Silent(string place, TimeSpan period) =>
        new($"The source {place} has been silent for {period.TotalSeconds:0.###} s although it should send a heartbeat: the binlog connection is taken for lost.");

    public static MigrationException FlavorChanged(string place, string version, SourceFlavor flavor) => new(
        "SourceFlavorChanged", MigrationErrorKind.WrongState,
        $"The position to start from is one of {flavor}, but the source {place} is {version}. Connect to the server that the snapshot was taken from, or one of its replicas, or begin a new snapshot with Export-BillingSnapshot -Restart.", place);

    // One code for everything; only the text says what it is. The texts are those of rpl_binlog_sender.cc and sql_repl.cc.
    private static MigrationException FromReading(ServerErrorException error, string place, BinlogStart start)
    {
        if (Says(error, "more GTIDs") || Says(error, "not in the master's binlog") || Says(error, "diverged"))
        {
            return new MigrationException(
                "BinlogDiverged", MigrationErrorKind.WrongState,
                $"The source {place} does not know transactions that have been applied already ({start.Gtid}): {ErrorText.Sentence(error)} It lost them in a failover or a restore. Connect to a server that has them; without one, {FromNow}", place, error);
        }

        if (Says(error, "purged") || Says(error, "Could not find first log"))
        {
            return new MigrationException(
                "BinlogPurged", MigrationErrorKind.NotFound,
                $"The source {place} no longer has the binlogs from {Describe(start)} on: {ErrorText.Sentence(error)} {FromNow} Keep binlogs for longer than an export takes, and than the longest pause (SET GLOBAL binlog_expire_logs_seconds = 604800, MariaDB before 10.6: expire_logs_days = 7).", place, error);
        }

        if (Says(error, "GTID_MODE = OFF") || Says(error, "AUTO_POSITION mode"))
        {
            return new MigrationException(
                "SourceGtidModeOff", MigrationErrorKind.WrongState,
                $"The source {place} no longer uses GTIDs, and the position to start from is a GTID set: {ErrorText.Sentence(error)} Set gtid_mode = ON again; without GTIDs, {FromNow}", place, error);
        }

        if (Says(error, "max_allowed_packet"))
        {
            return new MigrationException(
                "BinlogEventTooLarge", MigrationErrorKind.LimitExceeded,
                $"The source {place} has an event that is larger than its max_allowed_packet: {ErrorText.Sentence(error)} Raise it (SET GLOBAL max_allowed_packet = 1073741824) and run the same command again.", place, error);
        }

        return Failed(error, place);
    }

    private static MigrationException Failed(ServerErrorException error, string place) => new(
        "BinlogReadFailed", MigrationErrorKind.Unexpected,
        $"The source {place} cannot send its binlog: {error.Message.TrimEnd('.', ' ')} (error {error.Code}). Remove the cause and run the same command again: it goes on from the last checkpoint.", place, error);

    private static string Describe(BinlogStart start) => start.Gtid switch
    {
        null => $"{start.File}:{start.Offset}",
        "" => "the beginning",
        var gtid => $"the GTID position {gtid}",
    };


    private static bool Says(ServerErrorException error, string part) => error.Message.Contains(part, StringComparison.OrdinalIgnoreCase);
}
