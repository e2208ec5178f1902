using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>Where following the changes ends by itself.</summary>
public abstract record SyncUntil
{
    private SyncUntil()
    {
    }

    /// <summary>Reads what an operator wrote: <c>CaughtUp</c>, a time, <c>file:offset</c>, or a GTID set.</summary>
    /// <exception cref="MigrationException"><c>UntilUnreadable</c>.</exception>
    public static SyncUntil Parse(string text, SourceServer server)
    {
        if (text.Equals(nameof(CaughtUp), StringComparison.OrdinalIgnoreCase))
        {
            return new CaughtUp();
        }

        var colon = text.LastIndexOf(':');
        if (colon > 0 && text.AsSpan(0, colon).LastIndexOf('.') > 0 && long.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var offset))
        {
            return new Position(new SourcePosition { Flavor = server.Flavor, ServerIdentity = server.Identity, File = text[..colon], Offset = offset });
        }

        // A MariaDB position, 1-11-2500, would be a date as well; no date is written so without four digits of a year in front.
        var isPosition = server.Flavor == SourceFlavor.MariaDb && text.Split(',').All(gtid => gtid.Split('-') is [var domain, _, _] parts && domain.Trim().Length != 4 && parts.All(p => ulong.TryParse(p.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out _)));
        if (!isPosition && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time))
        {
            return new Time(time);
        }

        try
        {
            var gtid = server.Flavor == SourceFlavor.MySql ? GtidSet.Parse(text).ToString() : MariaDbGtidPosition.Parse(text).ToString();
            return new Position(new SourcePosition { Flavor = server.Flavor, ServerIdentity = server.Identity, Gtid = gtid });
        }
        catch (MigrationException e)
        {
            throw new MigrationException(
                "UntilUnreadable", MigrationErrorKind.InvalidArgument,
                $"-Until \"{text}\" is neither CaughtUp nor a time, a binlog position or a GTID set. Write for example CaughtUp, 2026-12-31T23:00:00Z or binlog.000012:1547.", text, e);
        }
    }

    /// <summary>Everything that was committed a second ago is in the table.</summary>
    public sealed record CaughtUp : SyncUntil;

    /// <summary>Everything up to a position is in the table.</summary>
    public sealed record Position(SourcePosition Value) : SyncUntil;

    /// <summary>Everything that was committed before a time is in the table.</summary>
    public sealed record Time(DateTimeOffset Value) : SyncUntil;

    /// <summary>Everything up to a position that is told while it runs is in the table, and the table is consistent there.</summary>
    internal sealed record Told(Task<SourcePosition> Value) : SyncUntil;
}

public sealed record SyncOptions
{
    /// <summary>Null: goes on until stopped.</summary>
    public SyncUntil? Until { get; init; } = new SyncUntil.CaughtUp();

    /// <summary>Wait for a lost source for as long as it takes, instead of the retry policy's time.</summary>
    public bool Follow { get; init; }

    /// <summary>Begin where the source stands now, and compare every entity with it, instead of reading what lies between.</summary>
    public bool Restart { get; init; }

    /// <summary>Stop, checkpointed, after this long.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>Keep rows that cannot be items out of the table, counted and listed, instead of ending as failed.</summary>
    public bool SetAside { get; init; }

    /// <summary>Part of a switch, which may go on while the applications' calls wait.</summary>
    internal bool IsOfSwitch { get; init; }

    /// <summary>Overrides of the definition's throttle; null keeps the definition's.</summary>
    public double? BytesPerSecond { get; init; }

    public double? ItemsPerSecond { get; init; }

    public double? WriteUnitsPerSecond { get; init; }
}

public enum SyncOutcome
{
    /// <summary>What <see cref="SyncOptions.Until"/> asks for is reached.</summary>
    Reached,

    /// <summary>Stopped by <see cref="SyncOptions.MaxDuration"/>; the same command goes on.</summary>
    Stopped,
}

/// <summary>A moment of a running sync.</summary>
public sealed record SyncProgress
{
    public required long Transactions { get; init; }

    public required long Rows { get; init; }

    public required long Items { get; init; }

    public required double RowsPerSecond { get; init; }

    public required SourcePosition Position { get; init; }

    /// <summary>Age of the last change written; null when there is nothing left to write.</summary>
    public required TimeSpan? Lag { get; init; }

    public required SyncState State { get; init; }

    public required TimeSpan Elapsed { get; init; }

    /// <summary>What the sync is waiting for, if anything.</summary>
    public string? Waiting { get; init; }
}

public sealed record SyncResult
{
    public required string Migration { get; init; }

    public required string Table { get; init; }

    public required string RunId { get; init; }

    public required SyncOutcome Outcome { get; init; }

    public required SyncState State { get; init; }

    public required SourcePosition Position { get; init; }

    /// <summary>Transactions that this call followed.</summary>
    public required long Transactions { get; init; }

    public required long Inserted { get; init; }

    public required long Updated { get; init; }

    public required long Deleted { get; init; }

    /// <summary>Items put and deleted: changes of the same item that come close together are written once.</summary>
    public required long ItemsPut { get; init; }

    public required long ItemsDeleted { get; init; }

    public required TimeSpan? Lag { get; init; }

    public required TimeSpan Duration { get; init; }

    public required long Requests { get; init; }

    public required long ThrottledRequests { get; init; }

    public required double ConsumedWriteUnits { get; init; }

    /// <summary>Rows that this call set aside.</summary>
    public required ImmutableArray<SetAsideRow> Refused { get; init; }

    /// <summary>What this call met in the binlog that does not say which rows it changed, and compared with the source instead.</summary>
    public ImmutableArray<UntoldChange> Untold { get; init; } = [];
}
