using BillingMigration.Source.Binlog;

namespace BillingMigration.Source.Changes;

/// <summary>Follows the position of the stream of one server, transaction by transaction.</summary>
internal sealed class StreamTracker
{
    private readonly SourcePosition start;
    private readonly GtidSet? seenSet;
    private readonly GtidSet? restartSet;
    private readonly MariaDbGtidPosition? seenPosition;
    private readonly string identity;
    private readonly List<Prepared> prepared = [];
    private string? file;
    private long offset;
    private BinlogMark? mark;

    /// <param name="identity">Of the server that the stream comes from: files and offsets are its own.</param>
    public StreamTracker(SourcePosition start, string identity)
    {
        this.start = start;
        this.identity = identity;
        if (start.ServerIdentity == identity)
        {
            (file, offset) = (start.File, start.Offset ?? 0);
            mark = start.Mark;
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

    /// <param name="Before">Where the stream stood in front of it.</param>
    private sealed record Prepared(string Xid, string? Gtid, SourcePosition Before);

    /// <summary>A file begins.</summary>
    public void Open(FormatDescriptionEvent head)
    {
        // By GTID the stream may begin in front of where it stood.
        if (head.UnixSeconds > 0 && (mark is null || StreamPoint.Compare((head.File, 0), (mark.File, 0)) > 0))
        {
            mark = new BinlogMark(head.File, 0, head.UnixSeconds);
        }
    }

    /// <summary>A transaction has ended.</summary>
    public void End(string? gtid, BinlogEvent last)
    {
        if (gtid is not null)
        {
            restartSet?.Add(gtid);
        }

        See(gtid, last);
    }

    /// <summary>A prepared XA transaction stands in the stream: after a crash it must come again, until it is ended.</summary>
    public void Prepare(string xid, string? gtid, BinlogEvent last)
    {
        prepared.RemoveAll(p => p.Xid == xid);
        prepared.Add(new Prepared(xid, gtid, Position(restartSet)));
        See(gtid, last);
    }

    /// <summary>A prepared XA transaction is over.</summary>
    public void Release(string xid)
    {
        if (prepared.Find(p => p.Xid == xid) is { } over)
        {
            prepared.Remove(over);
            if (over.Gtid is not null)
            {
                restartSet?.Add(over.Gtid);
            }
        }
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

        // A GTID set can leave the prepared transactions out; a place in the file stands in front of the oldest.
        return new StreamPoint(seen, prepared.Count == 0 ? seen : restartSet is not null ? Position(restartSet) : prepared[0].Before);
    }

    /// <summary>A position that has everything read so far, the transaction under way too.</summary>
    public SourcePosition Including(string? gtid, string atFile, long atOffset)
    {
        var all = seenSet?.Clone();
        if (gtid is not null)
        {
            all?.Add(gtid);
        }

        var further = atFile.Length > 0 && (file is null || StreamPoint.Compare((atFile, atOffset), (file, offset)) > 0);
        return Position(all) with { ServerIdentity = identity, File = further ? atFile : file, Offset = further ? atOffset : offset };
    }

    private void See(string? gtid, BinlogEvent last)
    {
        if (gtid is not null)
        {
            seenSet?.Add(gtid);
            seenPosition?.Add(gtid);
        }

        Move(last.File, last.EndOffset);
    }

    private SourcePosition Position(GtidSet? set) => new()
    {
        Flavor = start.Flavor,
        ServerIdentity = file is null ? start.ServerIdentity : identity,
        Gtid = set?.ToString() ?? seenPosition?.ToString(),
        File = file,
        Offset = file is null ? null : offset,
        Mark = mark is not null && mark.File == file ? mark with { Offset = Math.Max(mark.Offset, offset) } : mark,
    };
}
