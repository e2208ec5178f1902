using BillingMigration.Source.Binlog;
using BillingMigration.Testing;
using FsCheck;
using FsCheck.Fluent;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Sets of GTIDs, compared with plain sets of numbers and with what the server makes of the same text.</summary>
public sealed class GtidSetTests(TestServers servers)
{
    private static readonly string[] Uuids = ["3e11fa47-71ca-11e1-9e33-c80aa9429562", "3e11fa47-71ca-11e1-9e33-c80aa9429563", "00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000000"];
    private static readonly string[] Tags = ["", "", "a", "_b2", "billing_run"];

    private static readonly Gen<(string Uuid, string Tag, int First, int Last)> Pieces =
        from uuid in Gen.Elements(Uuids) from tag in Gen.Elements(Tags) from first in Gen.Choose(1, 40) from length in Gen.Choose(0, 6) select (uuid, tag, first, first + length);

    private static readonly Arbitrary<(string, string, int, int)[]> PieceLists = Pieces.ArrayOf().ToArbitrary();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", "")]
    [InlineData("3E11FA47-71CA-11E1-9E33-C80AA9429562:23", "3e11fa47-71ca-11e1-9e33-c80aa9429562:23")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:3-5:1-2:8, \n3e11fa47-71ca-11e1-9e33-c80aa9429562:6", "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-6:8")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:Tag_B:4:7:tag_a:1-2,3e11fa47-71ca-11e1-9e33-c80aa9429562:9", "3e11fa47-71ca-11e1-9e33-c80aa9429562:9:tag_a:1-2:tag_b:4:7")]
    [InlineData("00000000-0000-0000-0000-000000000001:1-9223372036854775806", "00000000-0000-0000-0000-000000000001:1-9223372036854775806")]
    public void The_text_is_the_servers(string text, string canonical) => Assert.Equal(canonical, GtidSet.Parse(text).ToString());

    [Theory]
    [InlineData("billing")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:0")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:5-3")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:-3")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9223372036854775807")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:tag")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:ta-g:1")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:a23456789012345678901234567890123:1")]
    [InlineData("0-1-5")]
    public void What_is_no_set_is_an_error(string text) => Assert.Equal("GtidSetInvalid", Assert.Throws<MigrationException>(() => GtidSet.Parse(text)).ErrorId);

    [Fact]
    public void A_set_holds_exactly_what_was_added() => Prop.ForAll(PieceLists, pieces =>
    {
        var set = new GtidSet();
        foreach (var (uuid, tag, first, last) in pieces)
        {
            set.Add(Text(uuid, tag, first, last));
        }

        var numbers = Numbers(pieces);
        return Uuids.All(u => Tags.All(t => Enumerable.Range(1, 50).All(n => set.Contains(Guid.Parse(u), t, n) == numbers.Contains((u, t, n)))))
            && GtidSet.Parse(set.ToString()).Equals(set) && GtidSet.Parse(set.ToString()).ToString() == set.ToString()
            && GtidSet.Decode(set.Encode()).ToString() == set.ToString();
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Union_and_subset_are_those_of_plain_sets() => Prop.ForAll(PieceLists, PieceLists, (one, other) =>
    {
        var (left, right) = (SetOf(one), SetOf(other));
        var union = left.Clone();
        union.UnionWith(right);
        var (leftNumbers, rightNumbers) = (Numbers(one), Numbers(other));
        return left.IsSubsetOf(union) && right.IsSubsetOf(union)
            && left.IsSubsetOf(right) == leftNumbers.IsSubsetOf(rightNumbers)
            && left.Equals(right) == leftNumbers.SetEquals(rightNumbers)
            && union.ToString() == SetOf([.. one, .. other]).ToString();
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Hostile_bytes_of_a_set_are_an_error() => Prop.ForAll(PieceLists, ArbMap.Default.ArbFor<NonNegativeInt>(), ArbMap.Default.ArbFor<byte>(), (pieces, at, value) =>
    {
        var bytes = SetOf(pieces).Encode();
        bytes[at.Get % bytes.Length] ^= value;
        return DecodesOrRefuses(bytes) && DecodesOrRefuses(bytes[..(at.Get % bytes.Length)]);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task The_server_writes_the_same_text_and_finds_the_same_subsets()
    {
        var server = await servers.MySqlAsync();
        await using var connection = await server.ConnectAsync();
        foreach (var (one, other) in Gen.Two(Pieces.ArrayOf()).Sample(60).Select(p => (p.Item1, p.Item2)))
        {
            var texts = (One: Joined(one), Other: Joined(other));
            await using var command = new MySqlCommand("SELECT GTID_SUBTRACT(@one, ''), GTID_SUBSET(@one, @other)", connection);
            command.Parameters.AddWithValue("@one", texts.One);
            command.Parameters.AddWithValue("@other", texts.Other);
            await using var reader = await command.ExecuteReaderAsync(Cancel);
            await reader.ReadAsync(Cancel);
            Assert.Equal(reader.GetString(0).Replace("\n", "", StringComparison.Ordinal), GtidSet.Parse(texts.One).ToString());
            Assert.Equal(reader.GetInt32(1) == 1, GtidSet.Parse(texts.One).IsSubsetOf(GtidSet.Parse(texts.Other)));
        }
    }

    private static bool DecodesOrRefuses(byte[] bytes)
    {
        try
        {
            GtidSet.Decode(bytes);
            return true;
        }
        catch (MigrationException)
        {
            return true;
        }
    }

    private static string Text(string uuid, string tag, int first, int last) => $"{uuid}{(tag.Length == 0 ? "" : ":" + tag)}:{first}-{last}";

    private static string Joined((string Uuid, string Tag, int First, int Last)[] pieces) => string.Join(',', pieces.Select(p => Text(p.Uuid, p.Tag, p.First, p.Last)));

    private static GtidSet SetOf((string Uuid, string Tag, int First, int Last)[] pieces) => GtidSet.Parse(Joined(pieces));

    private static HashSet<(string, string, int)> Numbers((string Uuid, string Tag, int First, int Last)[] pieces) =>
        [.. pieces.SelectMany(p => Enumerable.Range(p.First, p.Last - p.First + 1).Select(n => (p.Uuid, p.Tag, n)))];
}
