using System.Globalization;
using BillingMigration.Source.Binlog;

namespace BillingMigration.Source.Changes;

/// <summary>A place between two transactions of the stream.</summary>
/// <param name="Seen">Everything before it has been read, and written when the window that holds it is.</param>
/// <param name="Restart">Where the stream must begin again after a crash: before an XA transaction that is prepared and not yet ended.</param>
internal sealed record StreamPoint(SourcePosition Seen, SourcePosition Restart)
{
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
