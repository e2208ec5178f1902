using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using MySqlConnector;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// The character sets of a source. How bytes become characters is asked of the server itself, once for each set that is used: so both readers
/// convert alike, whatever the server's version thinks of a disputed character.
/// </summary>
public sealed class CharsetTable
{
    private const int LeadFrom = 0x80;
    private const int TrailFrom = 0x30;
    private const int MostAsked = 200;

    private readonly ImmutableDictionary<int, string> nameOfCollation;
    private readonly Dictionary<string, ICharset> loaded = [];

    private CharsetTable(ImmutableDictionary<int, string> nameOfCollation) => this.nameOfCollation = nameOfCollation;

    /// <summary>
    /// True when the server prints opaque strings in JSON as their bytes, not as <c>base64:type253:…</c>: MySQL 9.7 makes them of text in UTF-16, UCS-2 and
    /// UTF-32, whose bytes it does not convert. Others convert such text, and print what an older server left as base64.
    /// </summary>
    internal bool PrintsOpaqueStrings { get; private init; }

    /// <summary>Reads the names of all collations, and the given character sets.</summary>
    /// <param name="names">Character sets of the columns that are migrated; those that are UTF-8 need nothing.</param>
    public static async Task<CharsetTable> LoadAsync(MySqlConnection connection, IEnumerable<string> names, CancellationToken cancellationToken)
    {
        var collations = ImmutableDictionary.CreateBuilder<int, string>();
        await using (var command = new MySqlCommand("SELECT id, character_set_name FROM information_schema.COLLATIONS WHERE id IS NOT NULL AND character_set_name IS NOT NULL", connection))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                collations[Convert.ToInt32(reader.GetValue(0), CultureInfo.InvariantCulture)] = reader.GetString(1);
            }
        }

        // The bytes of U+2020 are two blanks when nothing converts them.
        await using var opaque = new MySqlCommand("SELECT CAST(JSON_ARRAY(_utf16 X'2020') AS BINARY)", connection);
        var printed = await opaque.ExecuteScalarAsync(cancellationToken) as byte[];
        var table = new CharsetTable(collations.ToImmutable()) { PrintsOpaqueStrings = printed.AsSpan().SequenceEqual("[\"  \"]"u8) };
        foreach (var name in names.Distinct(StringComparer.Ordinal).Where(n => !IsUtf8(n)))
        {
            table.loaded[name] = await LoadAsync(connection, name, cancellationToken);
        }

        return table;
    }

    /// <summary>Name of the character set of a collation; null when the server does not list it.</summary>
    public string? NameOf(int collationId) => nameOfCollation.GetValueOrDefault(collationId);

    internal static bool IsUtf8(string charset) => charset is "utf8mb4" or "utf8mb3" or "utf8" or "ascii" or "binary";

    /// <exception cref="MigrationException"><c>CharsetNotLoaded</c>: a column has been given a character set that no column had.</exception>
    internal ICharset this[string charset] => loaded.TryGetValue(charset, out var found) ? found : throw new MigrationException(
        "CharsetNotLoaded", MigrationErrorKind.WrongState,
        $"The binlog has text of the character set {charset}, which no migrated column has now: a column's character set was changed. Begin anew with Export-BillingSnapshot -Restart.", charset);

    private static async Task<ICharset> LoadAsync(MySqlConnection connection, string name, CancellationToken cancellationToken)
    {
        switch (name)
        {
            case "utf16": return new WideCharset(2, littleEndian: false, pairs: true);
            case "ucs2": return new WideCharset(2, littleEndian: false, pairs: false);
            case "utf16le": return new WideCharset(2, littleEndian: true, pairs: true);
            case "utf32": return new WideCharset(4, littleEndian: false, pairs: false);
            case "gb18030":
                Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
                // The edition of 2005 moved U+1E3F, and gave its old place to U+E7C7: .NET follows it, MySQL 9.7 does not.
                var moved = await AskAsync(connection, name, [[0xA8, 0xBC]], cancellationToken);
                var encoding = Encoding.GetEncoding("GB18030", EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);
                var differs = moved[0] is { } server && Encoding.UTF8.GetString(server) != encoding.GetString([0xA8, 0xBC]);
                return new EncodingCharset(encoding, differs ? ('\u1E3F', '\uE7C7') : null);
        }

        var single = await AskAsync(connection, name, [.. Enumerable.Range(0, 256).Select(b => new[] { (byte)b })], cancellationToken);
        await using var most = new MySqlCommand("SELECT maxlen FROM information_schema.CHARACTER_SETS WHERE character_set_name = @name", connection);
        most.Parameters.AddWithValue("@name", name);
        var longest = Convert.ToInt32(await most.ExecuteScalarAsync(cancellationToken), CultureInfo.InvariantCulture);
        if (longest == 1)
        {
            byte[][] all = [.. single.Select(c => c ?? "?"u8.ToArray())];
            return new SingleByteCharset(all, await AskTwinsAsync(connection, name, all.Select((c, b) => KeyValuePair.Create(b, c)), cancellationToken));
        }

        var characters = await AskAllAsync(connection, name, longest, single, cancellationToken);
        return new MultiByteCharset(characters, await AskTwinsAsync(connection, name, characters, cancellationToken));
    }

    /// <summary>Of several byte sequences that are one character in UTF-8, those that it does not become again.</summary>
    private static async Task<HashSet<int>> AskTwinsAsync(MySqlConnection connection, string name, IEnumerable<KeyValuePair<int, byte[]>> characters, CancellationToken cancellationToken)
    {
        var twins = new HashSet<int>();
        foreach (var some in characters.GroupBy(c => Convert.ToHexString(c.Value), c => c.Key).Where(g => g.Count() > 1).Chunk(MostAsked))
        {
            var expressions = some.Select(g => $"CAST(CONVERT(_utf8mb4 X'{g.Key}' USING {name}) AS BINARY)");
            await using var command = new MySqlCommand($"SELECT {string.Join(", ", expressions)}", connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            for (var i = 0; i < some.Length; i++)
            {
                var own = reader.IsDBNull(i) ? -1 : ((byte[])reader.GetValue(i)).Aggregate(0, (code, b) => (code << 8) | b);
                twins.UnionWith(some[i].Where(code => code != own));
            }
        }

        return twins;
    }

    private static async Task<Dictionary<int, byte[]>> AskAllAsync(MySqlConnection connection, string name, int longest, IReadOnlyList<byte[]?> single, CancellationToken cancellationToken)
    {
        var characters = new Dictionary<int, byte[]>();
        for (var b = 0; b < 256; b++)
        {
            // A lead byte alone is no character.
            if (single[b] is { Length: > 0 } character && (b < LeadFrom || character.Length > 1 || character[0] != (byte)'?'))
            {
                characters[b] = character;
            }
        }

        for (var lead = LeadFrom; lead < 256; lead++)
        {
            if (!characters.ContainsKey(lead))
            {
                await AskRowAsync(connection, name, [(byte)lead], characters, cancellationToken);
            }
        }

        // The 3-byte characters of ujis and eucjpms begin with 8F.
        for (var second = 0xA1; longest == 3 && second < 0xFF; second++)
        {
            await AskRowAsync(connection, name, [0x8F, (byte)second], characters, cancellationToken);
        }

        return characters;
    }

    private static async Task AskRowAsync(MySqlConnection connection, string name, byte[] lead, Dictionary<int, byte[]> characters, CancellationToken cancellationToken)
    {
        var sequences = Enumerable.Range(TrailFrom, 256 - TrailFrom).Select(trail => (byte[])[.. lead, (byte)trail]).ToArray();
        var answers = await AskAsync(connection, name, sequences, cancellationToken);
        for (var i = 0; i < sequences.Length; i++)
        {
            if (answers[i] is { } character)
            {
                characters[sequences[i].Aggregate(0, (code, b) => (code << 8) | b)] = character;
            }
        }
    }

    /// <summary>Each sequence as the server converts it; null where it is none of the character set.</summary>
    private static async Task<IReadOnlyList<byte[]?>> AskAsync(MySqlConnection connection, string name, IEnumerable<byte[]> sequences, CancellationToken cancellationToken)
    {
        var expressions = sequences.Select(s => $"CAST(CONVERT(CONVERT(X'{Convert.ToHexString(s)}' USING {name}) USING utf8mb4) AS BINARY), CHAR_LENGTH(CONVERT(X'{Convert.ToHexString(s)}' USING {name}))");
        await using var command = new MySqlCommand($"SELECT {string.Join(", ", expressions)}", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var answers = new byte[]?[reader.FieldCount / 2];
        for (var i = 0; i < answers.Length; i++)
        {
            var one = !reader.IsDBNull(2 * i) && !reader.IsDBNull((2 * i) + 1) && Convert.ToInt64(reader.GetValue((2 * i) + 1), CultureInfo.InvariantCulture) == 1;
            answers[i] = one ? (byte[])reader.GetValue(2 * i) : null;
        }

        return answers;
    }
}
