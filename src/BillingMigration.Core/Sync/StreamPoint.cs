using System.Globalization;
using BillingMigration.Source;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Sync;

/// <summary>A place between two transactions of the stream.</summary>
/// <param name="Seen">Everything before it has been read, and written when the window that holds it is.</param>
/// <param name="Restart">Where the stream must begin again after a crash: before an XA transaction that is prepared and not yet ended.</param>
/// <param name="Rows">Rows of the transaction behind it that are written too.</param>
internal sealed record StreamPoint(SourcePosition Seen, SourcePosition Restart, long Rows = 0)
{
    /// <summary>Where what is written ends, when a stream that begins at <see cref="Restart"/> must be read over up to there; else null.</summary>
    public SourcePosition? ReadOver => Seen == Restart || Seen is { Flavor: SourceFlavor.MySql, Gtid: not null } ? null : Seen;

    /// <summary>True when everything up to <paramref name="target"/> lies before this place.</summary>
    public bool HasReached(SourcePosition target)
    {
        if (target.File is not null && Seen.File is not null && target.ServerIdentity == Seen.ServerIdentity
            && Compare((Seen.File, Seen.Offset ?? 0), (target.File, target.Offset ?? 0)) >= 0)
        {
            return true;
        }

        if (target.Gtid is null || Seen.Gtid is null)
        {
            return false;
        }

        // A set that is read from MySQL lags behind the binlog: beside a file it is no upper bound.
        return Seen.Flavor == SourceFlavor.MariaDb
            ? MariaDbGtidPosition.Parse(Seen.Gtid).Contains(MariaDbGtidPosition.Parse(target.Gtid))
            : (target.File is null || target.ServerIdentity != Seen.ServerIdentity) && GtidSet.Parse(target.Gtid).IsSubsetOf(GtidSet.Parse(Seen.Gtid));
    }

    /// <summary>Binlog files are numbered; the number grows beyond its six digits.</summary>
    public static int Compare((string File, long Offset) one, (string File, long Offset) other)
    {
        var order = Number(one.File).CompareTo(Number(other.File));
        return order != 0 ? order : one.Offset.CompareTo(other.Offset);
    }

    private static long Number(string file) =>
        long.TryParse(file.AsSpan(file.LastIndexOf('.') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
}

/// <summary>Follows the position of the stream, transaction by transaction.</summary>
internal sealed class StreamTracker
{
    private readonly SourcePosition start;
    private readonly GtidSet? seenSet;
    private readonly GtidSet? restartSet;
    private readonly MariaDbGtidPosition? seenPosition;
    private readonly string identity;
    private readonly Dictionary<string, string?> prepared = [];
    private SourcePosition? frozen;
    private string? file;
    private long offset;

    public StreamTracker(SourcePosition start, string identity)
    {
        this.start = start;
        this.identity = identity;
        if (start.ServerIdentity == identity)
        {
            (file, offset) = (start.File, start.Offset ?? 0);
        }

        if (start.Gtid is not null && start.Flavor == SourceFlavor.MySql)
        {
            seenSet = GtidSet.Parse(start.Gtid);
            restartSet = seenSet.Clone();
        }
        else if (start.Gtid is not null)
        {
            seenPosition = MariaDbGtidPosition.Parse(start.Gtid);
        }
    }

    /// <summary>A transaction has ended.</summary>
    public void End(string? gtid, BinlogEvent last)
    {
        if (gtid is not null)
        {
            seenSet?.Add(gtid);
            restartSet?.Add(gtid);
            seenPosition?.Add(gtid);
        }

        Move(last.File, last.EndOffset);
    }

    /// <summary>A prepared XA transaction stands in the stream: after a crash it must come again, until it is ended.</summary>
    public void Prepare(string xid, string? gtid, BinlogEvent last)
    {
        frozen ??= Position(restartSet);
        prepared[xid] = gtid;
        if (gtid is not null)
        {
            seenSet?.Add(gtid);
            seenPosition?.Add(gtid);
        }

        Move(last.File, last.EndOffset);
    }

    /// <summary>A prepared XA transaction is over.</summary>
    public void Release(string xid)
    {
        if (prepared.Remove(xid, out var gtid) && gtid is not null)
        {
            restartSet?.Add(gtid);
        }

        frozen = prepared.Count == 0 ? null : frozen;
    }

    /// <summary>The stream stands at this place, between transactions.</summary>
    public void Move(string toFile, long toOffset)
    {
        if (toFile.Length > 0 && (file is null || StreamPoint.Compare((toFile, toOffset), (file, offset)) > 0))
        {
            (file, offset) = (toFile, toOffset);
        }
    }

    public StreamPoint Now()
    {
        var seen = Position(seenSet);

        // A GTID set can leave the prepared transaction out; a place in the file cannot.
        return new StreamPoint(seen, frozen is null ? seen : restartSet is not null ? Position(restartSet) : frozen);
    }

    private SourcePosition Position(GtidSet? set) => new()
    {
        Flavor = start.Flavor,
        ServerIdentity = file is null ? start.ServerIdentity : identity,
        Gtid = set?.ToString() ?? seenPosition?.ToString(),
        File = file,
        Offset = file is null ? null : offset,
    };
}
