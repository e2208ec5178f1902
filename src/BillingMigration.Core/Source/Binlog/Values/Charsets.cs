using System.Buffers;
using System.Text;

namespace BillingMigration.Source.Binlog;

/// <summary>A character set of the source: its bytes as UTF-8, as the source itself converts them.</summary>
internal interface ICharset
{
    /// <summary>Most bytes of UTF-8 that so many bytes can become.</summary>
    int MostUtf8Bytes(int bytes);

    /// <returns>Bytes written.</returns>
    int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8);
}

/// <summary>One byte a character: the 256 characters as the server gave them.</summary>
internal sealed class SingleByteCharset(byte[][] characters) : ICharset
{
    private readonly int widest = characters.Max(c => c.Length);

    public int MostUtf8Bytes(int bytes) => bytes * widest;

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var used = 0;
        foreach (var b in value)
        {
            var character = characters[b];
            if (character.Length == 1)
            {
                utf8[used++] = character[0];
            }
            else
            {
                character.CopyTo(utf8[used..]);
                used += character.Length;
            }
        }

        return used;
    }
}

/// <summary>A character set of one to three bytes a character, by the server's own table.</summary>
/// <param name="characters">By the bytes of the character, first byte highest; lengths are told apart by the value.</param>
internal sealed class MultiByteCharset(Dictionary<int, byte[]> characters) : ICharset
{
    private const int MostBytes = 3;

    public int MostUtf8Bytes(int bytes) => bytes * 4;

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var used = 0;
        for (var at = 0; at < value.Length;)
        {
            var code = 0;
            byte[]? character = null;
            var length = 0;
            while (character is null && length < MostBytes && at + length < value.Length)
            {
                code = (code << 8) | value[at + length++];
                characters.TryGetValue(code, out character);
            }

            (character ?? throw EventErrors.Unreadable("a text has bytes that are no character of its character set")).CopyTo(utf8[used..]);
            used += character.Length;
            at += length;
        }

        return used;
    }
}

/// <summary>UTF-16, UCS-2 and UTF-32. CHAR loses the last byte of its padding in the binlog: it is a blank.</summary>
internal sealed class WideCharset(int bytesPerUnit, bool littleEndian) : ICharset
{
    public int MostUtf8Bytes(int bytes) => (bytes + bytesPerUnit) * 2;

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var used = 0;
        for (var at = 0; at < value.Length;)
        {
            var unit = Unit(value, ref at);
            if (bytesPerUnit == 2 && char.IsHighSurrogate((char)unit) && at < value.Length)
            {
                var low = Unit(value, ref at);
                unit = char.IsLowSurrogate((char)low) ? (uint)char.ConvertToUtf32((char)unit, (char)low) : throw Broken();
            }

            used += (Rune.TryCreate(unit, out var rune) ? rune : throw Broken()).EncodeToUtf8(utf8[used..]);
        }

        return used;
    }

    private static MigrationException Broken() => EventErrors.Unreadable("a text has bytes that are no character of its character set");

    private uint Unit(ReadOnlySpan<byte> value, ref int at)
    {
        uint unit = 0;
        for (var i = 0; i < bytesPerUnit; i++)
        {
            uint b = at + i < value.Length ? value[at + i] : (uint)' ';
            unit |= b << (8 * (littleEndian ? i : bytesPerUnit - 1 - i));
        }

        at += bytesPerUnit;
        return unit;
    }
}

/// <summary>A character set that .NET converts as the server does.</summary>
internal sealed class EncodingCharset(Encoding encoding) : ICharset
{
    public int MostUtf8Bytes(int bytes) => bytes * 4;

    public int ToUtf8(ReadOnlySpan<byte> value, Span<byte> utf8)
    {
        var characters = ArrayPool<char>.Shared.Rent(encoding.GetMaxCharCount(value.Length));
        try
        {
            return Encoding.UTF8.GetBytes(characters.AsSpan(0, encoding.GetChars(value, characters)), utf8);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(characters);
        }
    }
}
