using System.Globalization;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>UUID, INET4 and INET6 of MariaDB: stored as bytes, printed as text.</summary>
internal sealed class IdentifierDecoder(int lengthBytes, string type) : LengthDecoder(lengthBytes)
{
    private readonly int width = type == "inet4" ? 4 : 16;

    protected override void Write(ReadOnlySpan<byte> value, RowBuffer row, int column)
    {
        if (value.Length > width)
        {
            throw EventErrors.Unreadable($"a value of type {type} is too long");
        }

        // As with BINARY, zeros at the end are not in the binlog.
        Span<byte> whole = stackalloc byte[16];
        whole.Clear();
        value.CopyTo(whole);
        row.Set(column, type switch
        {
            "uuid" => Uuid(whole),
            "inet4" => string.Create(CultureInfo.InvariantCulture, $"{whole[0]}.{whole[1]}.{whole[2]}.{whole[3]}"),
            _ => Inet6(whole),
        });
    }

    // UUIDs with a time (versions 1 to 5) are stored with their parts in the opposite order, so that they sort by node and time.
    private static string Uuid(ReadOnlySpan<byte> stored)
    {
        Span<byte> uuid = stackalloc byte[16];
        if ((stored[6] & 0x80) != 0 && stored[8] is > 0 and < 0x60)
        {
            stored[12..16].CopyTo(uuid);
            stored[10..12].CopyTo(uuid[4..]);
            stored[8..10].CopyTo(uuid[6..]);
            stored[6..8].CopyTo(uuid[8..]);
            stored[0..6].CopyTo(uuid[10..]);
        }
        else
        {
            stored.CopyTo(uuid);
        }

        return new Guid(uuid, bigEndian: true).ToString();
    }

    // The longest row of zero words becomes "::"; an IPv4 address at the end is printed as one.
    private static string Inet6(ReadOnlySpan<byte> bytes)
    {
        Span<int> words = stackalloc int[8];
        for (var i = 0; i < 8; i++)
        {
            words[i] = (bytes[2 * i] << 8) | bytes[(2 * i) + 1];
        }

        var (gap, gapLength) = LongestGap(words);
        var text = new StringBuilder();
        for (var i = 0; i < 8; i++)
        {
            if (i == gap)
            {
                text.Append(i == 0 ? "::" : ":");
                i += gapLength - 1;
                continue;
            }

            if (i == 6 && gap == 0 && (gapLength == 6 || (gapLength == 5 && words[5] == 0xFFFF)))
            {
                return text.Append(CultureInfo.InvariantCulture, $"{bytes[12]}.{bytes[13]}.{bytes[14]}.{bytes[15]}").ToString();
            }

            text.Append(CultureInfo.InvariantCulture, $"{words[i]:x}");
            if (i < 7)
            {
                text.Append(':');
            }
        }

        return text.ToString();
    }

    private static (int Start, int Length) LongestGap(ReadOnlySpan<int> words)
    {
        var (best, bestLength) = (-1, 0);
        for (var i = 0; i < words.Length; i++)
        {
            var length = 0;
            while (i + length < words.Length && words[i + length] == 0)
            {
                length++;
            }

            if (length > bestLength)
            {
                (best, bestLength) = (i, length);
            }

            i += length;
        }

        return (best, bestLength);
    }
}
