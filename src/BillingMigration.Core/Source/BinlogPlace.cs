using System.Globalization;

namespace BillingMigration.Source;

/// <summary>A place in one server's binlog: files are in the order of their numbers.</summary>
public readonly record struct BinlogPlace(string File, long Offset) : IComparable<BinlogPlace>
{
    /// <exception cref="InvalidOperationException">The position has no file.</exception>
    public static BinlogPlace Of(SourcePosition position) => position is { File: { } file, Offset: { } offset }
        ? new BinlogPlace(file, offset)
        : throw new InvalidOperationException("The position has no binlog file.");

    public int CompareTo(BinlogPlace other) => Number(File).CompareTo(Number(other.File)) is not 0 and var order ? order : Offset.CompareTo(other.Offset);

    public static bool operator <(BinlogPlace left, BinlogPlace right) => left.CompareTo(right) < 0;

    public static bool operator >(BinlogPlace left, BinlogPlace right) => left.CompareTo(right) > 0;

    public static bool operator <=(BinlogPlace left, BinlogPlace right) => left.CompareTo(right) <= 0;

    public static bool operator >=(BinlogPlace left, BinlogPlace right) => left.CompareTo(right) >= 0;

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{File}:{Offset}");

    // binlog.000042: six digits, more after a million files.
    private static long Number(string file) =>
        long.TryParse(file.AsSpan(file.LastIndexOf('.') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
