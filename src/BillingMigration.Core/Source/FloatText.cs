using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Source;

/// <summary>
/// The text of a FLOAT or DOUBLE, the same for both readers: the shortest digits that read back as the same 8 bytes; a FLOAT as the DOUBLE of its value.
/// Negative zero is <c>-0</c>.
/// </summary>
internal static class FloatText
{
    /// <summary>Bytes of the point that <see cref="SelectStatement"/> makes of a value: SRID, byte order, type, and two coordinates.</summary>
    public const int PointBytes = HeadBytes + (2 * sizeof(double));

    private const int HeadBytes = 9;

    // In SRID 0, little-endian, of type 1: https://dev.mysql.com/doc/refman/9.7/en/gis-data-formats.html#gis-internal-format
    private static ReadOnlySpan<byte> Head => [0, 0, 0, 0, 1, 1, 0, 0, 0];

    public static bool IsOf(ColumnSchema column) => column.DataType is "float" or "double" or "real";

    /// <returns>Bytes written.</returns>
    public static int Write(double value, Span<byte> text)
    {
        value.TryFormat(text, out var written, "R", CultureInfo.InvariantCulture);
        return written;
    }

    /// <param name="point">The server's bytes of <c>POINT(value, 0)</c>; may be the same memory as <paramref name="text"/>.</param>
    /// <returns>Bytes written.</returns>
    /// <exception cref="MigrationException"><c>SourceValueUnreadable</c>: it is no point.</exception>
    public static int OfPoint(ReadOnlySpan<byte> point, Span<byte> text) => point.Length == PointBytes && point.StartsWith(Head)
        ? Write(BinaryPrimitives.ReadDoubleLittleEndian(point[HeadBytes..]), text)
        : throw new MigrationException(
            "SourceValueUnreadable", MigrationErrorKind.WrongState,
            $"The source answered POINT(value, 0) with {Convert.ToHexString(point)}, which is not the format of MySQL or MariaDB: a FLOAT or DOUBLE cannot be read exactly. Connect to the server itself instead of a proxy that rewrites results.", "POINT");

    /// <summary>The same as a string, for the keys of ranges.</summary>
    public static string OfPoint(ReadOnlySpan<byte> point)
    {
        Span<byte> text = stackalloc byte[40];
        return Encoding.ASCII.GetString(text[..OfPoint(point, text)]);
    }
}
