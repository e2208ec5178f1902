using System.Globalization;
using System.Text;
using BillingMigration.Model;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Tests.Model;

/// <summary>The key of a text under a collation is held against the servers. <c>COLLATION_PAIRS</c> sets how many pairs of texts are tried for each collation, <c>COLLATION_SEED</c> which.</summary>
public sealed class CollationKeyTests(TestServers servers)
{
    private const int AtOnce = 500;

    private static readonly int Pairs = int.Parse(Environment.GetEnvironmentVariable("COLLATION_PAIRS") ?? "2000", CultureInfo.InvariantCulture);
    private static readonly int Seed = int.Parse(Environment.GetEnvironmentVariable("COLLATION_SEED") ?? "1", CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(false, 78)]
    [InlineData(true, 141)]
    public async Task Two_texts_have_the_same_key_exactly_when_the_server_takes_them_for_equal(bool mariaDb, int least)
    {
        await using var connection = new MySqlConnection((await servers.SourceAsync(mariaDb)).ConnectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        var collations = (await ListAsync(connection, mariaDb
            ? "SELECT FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
            : "SELECT COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS")).Where(c => CollationKey.Find(c[0]) is not null).ToArray();
        Assert.InRange(collations.Length, least, 1000);
        var wrong = new List<string>();
        var (tried, equal) = (0, 0);
        foreach (var collation in collations)
        {
            var pairs = new CollationPairs(collation[0], await PointsAsync(connection, collation[1]), Seed);
            var (most, of) = (0, 0);
            for (var left = Pairs; left > 0; left -= AtOnce)
            {
                var texts = Enumerable.Range(0, Math.Min(left, AtOnce)).Select(_ => pairs.Next()).ToArray();
                var same = await SameAsync(connection, collation[0], collation[1], texts);
                foreach (var ((one, other), expected) in texts.Zip(same))
                {
                    (tried, equal) = (tried + 1, equal + (expected ? 1 : 0));
                    of++;
                    if (pairs.AreEqual(one, other) != expected && most++ < 3)
                    {
                        wrong.Add($"{collation[0]}: {Shown(one)} and {Shown(other)} are {(expected ? "equal" : "different")}, keys {Shown(CollationKey.Of(collation[0], one))} and {Shown(CollationKey.Of(collation[0], other))}");
                    }
                }
            }

            if (most > 3)
            {
                wrong.Add($"{collation[0]}: {most} of {of}");
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{collations.Length} collations, {tried} pairs, {equal} of them equal");
        Assert.Empty(wrong);
        Assert.InRange(equal, tried / 5, tried);
    }

    [Theory]
    [InlineData("utf8mb4_0900_ai_ci", "acc-0001", "ACC-0001")]
    [InlineData("utf8mb4_0900_ai_ci", "Straße é", "STRASSE E")]
    [InlineData("utf8mb4_0900_ai_ci", "T ", "T ")]
    [InlineData("utf8mb4_general_ci", "Straße  ", "STRASE")]
    [InlineData("latin1_swedish_ci", "Éß ", "Eß")]
    [InlineData("utf8mb4_bin", "Tt  ", "Tt")]
    [InlineData("utf8mb4_0900_bin", "Tt ", "Tt ")]
    public void A_key_can_be_read(string collation, string text, string key) => Assert.Equal(key, CollationKey.Of(collation, text));

    [Theory]
    [InlineData("utf8mb4_0900_ai_ci")]
    [InlineData("latin1_swedish_ci")]
    [InlineData("utf8mb4_uca1400_as_cs")]
    public void The_key_of_a_key_is_itself(string collation)
    {
        foreach (var point in Enumerable.Range(1, 0x2FFF))
        {
            var key = CollationKey.Of(collation, char.ConvertFromUtf32(point));
            Assert.Equal(key, CollationKey.Of(collation, key));
        }
    }

    [Fact]
    public void Nobody_knows_the_key_under_a_collation_that_is_not_shipped()
    {
        Assert.Null(CollationKey.Find("latin2_czech_cs"));
        Assert.Throws<ArgumentException>(() => CollationKey.Of("latin2_czech_cs", "a"));
    }

    private static async Task<bool[]> SameAsync(MySqlConnection connection, string collation, string characterSet, (string One, string Other)[] texts)
    {
        string Literal(string text) => $"CONVERT(_utf8mb4 X'{Convert.ToHexString(Encoding.UTF8.GetBytes(text))}' USING {characterSet})";
        var rows = await ListAsync(connection, string.Join(" UNION ALL ", texts.Select(t => $"SELECT {Literal(t.One)} = {Literal(t.Other)} COLLATE {collation}, 0")));
        return [.. rows.Select(r => r[0] == "1")];
    }

    private static async Task<int[]?> PointsAsync(MySqlConnection connection, string characterSet)
    {
        if (characterSet is "utf8mb4" or "utf8mb3")
        {
            return null;
        }

        var bytes = string.Join(" UNION ALL ", Enumerable.Range(1, 255).Select(b => $"SELECT {b}"));
        var rows = await ListAsync(connection, $"SELECT HEX(CONVERT(CONVERT(UNHEX(HEX(n)) USING {characterSet}) USING utf32)), n FROM (SELECT 1 n UNION ALL {bytes}) p WHERE n < {(characterSet == "ascii" ? 128 : 256)}");
        return [.. rows.Where(r => r[0].Length == 8).Select(r => int.Parse(r[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture)).Distinct().Order()];
    }

    private static async Task<List<string[]>> ListAsync(MySqlConnection connection, string sql)
    {
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var rows = new List<string[]>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            rows.Add([.. Enumerable.Range(0, 2).Select(i => Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture) ?? "")]);
        }

        return rows;
    }

    private static string Shown(string text) => string.Join(' ', text.EnumerateRunes().Select(r => r.Value.ToString("X4", CultureInfo.InvariantCulture)).Prepend("U").Append(text.Length == 0 ? "nothing" : ""));
}
