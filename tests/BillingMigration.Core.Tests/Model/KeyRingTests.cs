using System.Collections.Immutable;
using System.Text;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;
using static BillingMigration.Tests.Model.ModelFixtures;

namespace BillingMigration.Tests.Model;

/// <summary>Values under several data keys, as while a data key is exchanged.</summary>
public sealed class KeyRingTests
{
    private static readonly TableSchema Customers = Table("customer", ["id"], Column("id", "bigint(20)", nullable: false), Column("email", "varchar(200)"));

    private static readonly byte[] Place = AttributeCipher.PlaceOf("CUSTOMER", "email");
    private static readonly byte[] Item = AttributeCipher.KeyOf("CUSTOMER#1"u8, "CUSTOMER"u8);

    private readonly SetTime time = new();
    private KeyRing ring = Ring(1, 1);
    private int reads;

    [Fact]
    public void The_first_byte_of_a_value_is_the_number_of_its_key()
    {
        var cipher = Open();
        Assert.Equal(1, cipher.Encrypt(Place, Item, "a"u8)[0]);
        ring = Ring(7, 1, 7);
        time.Pass(KeyRingKeeper.MostAge);
        Assert.Equal(7, cipher.Encrypt(Place, Item, "a"u8)[0]);
    }

    [Fact]
    public void A_value_under_a_key_that_came_later_is_read_and_the_ring_is_read_once_for_it()
    {
        var cipher = Open();
        ring = Ring(2, 1, 2);
        var later = new AttributeCipher(KeyRingKeeper.Of(ring.Current)).Encrypt(Place, Item, "a@b"u8);
        Assert.Equal("a@b", Encoding.UTF8.GetString(cipher.TryDecrypt(Place, Item, later)!));
        Assert.Equal("a@b", Encoding.UTF8.GetString(cipher.TryDecrypt(Place, Item, later)!));
        Assert.Equal((1, 2), (reads, cipher.Encrypt(Place, Item, "a"u8)[0]));
    }

    [Fact]
    public void A_damaged_number_has_the_ring_read_once_a_minute()
    {
        var cipher = Open();
        var damaged = cipher.Encrypt(Place, Item, "a"u8);
        damaged[0] = 99;
        Assert.Null(cipher.TryDecrypt(Place, Item, damaged));
        Assert.Null(cipher.TryDecrypt(Place, Item, damaged));
        Assert.Equal(1, reads);
        time.Pass(KeyRingKeeper.RefreshAfter);
        Assert.Null(cipher.TryDecrypt(Place, Item, damaged));
        Assert.Equal(2, reads);
    }

    [Fact]
    public void Nobody_encrypts_with_a_ring_that_is_too_old()
    {
        var cipher = Open();
        time.Pass(KeyRingKeeper.MostAge - TimeSpan.FromSeconds(1));
        cipher.Encrypt(Place, Item, "a"u8);
        ring = null!;
        time.Pass(KeyRingKeeper.MostAge);
        Assert.Throws<InvalidOperationException>(() => cipher.Encrypt(Place, Item, "a"u8));
        ring = Ring(2, 1, 2);
        Assert.Equal(2, cipher.Encrypt(Place, Item, "a"u8)[0]);
    }

    [Fact]
    public async Task A_ring_that_is_a_minute_old_is_read_in_the_background()
    {
        var cipher = Open();
        ring = Ring(2, 1, 2);
        time.Pass(KeyRingKeeper.RefreshAfter);
        Assert.Equal(1, cipher.Encrypt(Place, Item, "a"u8)[0]);
        while (cipher.Number != 2)
        {
            await Task.Yield();
        }

        Assert.Equal(1, reads);
    }

    [Fact]
    public void A_former_key_that_was_given_up_reads_nothing_any_more()
    {
        ring = Ring(2, 1, 2);
        var cipher = Open();
        var former = new AttributeCipher(KeyRingKeeper.Of(ring.Keys[1])).Encrypt(Place, Item, "a"u8);
        Assert.NotNull(cipher.TryDecrypt(Place, Item, former));
        ring = Ring(2, 2);
        time.Pass(KeyRingKeeper.MostAge);
        cipher.Encrypt(Place, Item, "a"u8);
        Assert.Null(cipher.TryDecrypt(Place, Item, former));
    }

    [Fact]
    public void An_item_is_what_its_row_says_whichever_key_its_values_are_under()
    {
        ring = Ring(2, 1, 2);
        var cipher = Open();
        var row = Row("1", "a@b.example");
        var former = Encode(Model(new AttributeCipher(KeyRingKeeper.Of(ring.Keys[1]))), row);
        var current = Encode(Model(cipher), row);
        Assert.NotEqual(former, current);
        Assert.Equal(current, Canonical(Model(cipher), former));
        Assert.Equal(current, Canonical(Model(cipher), current));

        // What is escaped, in another order and moved to another item.
        Assert.Equal(current, Canonical(Model(cipher), former.Replace("/", "\\/", StringComparison.Ordinal)));
        var moved = former.Replace("CUSTOMER#1", "CUSTOMER#2", StringComparison.Ordinal);
        Assert.Equal(moved, Canonical(Model(cipher), moved));
    }

    [Fact]
    public void A_comparison_goes_on_with_the_key_that_it_began_with()
    {
        var cipher = Open();
        var pinned = cipher.Pinned();
        var row = Row("1", "a@b.example");
        var before = Encode(Model(pinned), row);
        ring = Ring(2, 2);
        time.Pass(KeyRingKeeper.MostAge);
        var after = Encode(Model(cipher), row);
        Assert.NotEqual(before, after);
        Assert.Equal(before, Encode(Model(pinned), row));
        Assert.Equal(before, Canonical(Model(pinned), after));
        Assert.Equal(before, Canonical(Model(pinned), before));
    }

    [Fact]
    public void The_keys_in_the_control_table_are_read_as_they_were_written()
    {
        var first = DataKeyItem.Of(Wrapped(1));
        var key = new Dictionary<string, Amazon.DynamoDBv2.Model.AttributeValue>();
        Assert.Equal(first.CurrentKey.Wrapped, DataKeyItem.TryRead(first.ToItem(key))!.CurrentKey.Wrapped);

        var third = first.With(Wrapped(2)).With(Wrapped(3));
        var read = DataKeyItem.TryRead(third.ToItem(key))!;
        Assert.Equal(((byte)3, third.CurrentSince), (read.Current, read.CurrentSince));
        Assert.Equal([1, 2, 3], read.Keys.Keys.Select(k => (int)k));
        Assert.All(read.Keys, k => Assert.True(k.Value.IsSame(third.Keys[k.Key])));

        // Numbers begin anew behind 255, and pass over those that are kept.
        var last = new DataKeyItem(third.Keys.Remove(2).Add(255, Wrapped(4)), 255, third.CurrentSince);
        Assert.Equal(2, last.With(Wrapped(5)).Current);
        Assert.Equal([255], last.WithoutOthers().Keys.Keys.Select(k => (int)k));
        Assert.Equal(255, DataKeyItem.TryRead(last.WithoutOthers().ToItem(key))!.Current);
    }

    private static WrappedKey Wrapped(byte seed) => new("arn:key", [seed, 1, 2], DateTimeOffset.UnixEpoch.AddDays(seed));

    private static KeyRing Ring(byte current, params byte[] numbers) =>
        new(numbers.ToImmutableSortedDictionary(n => n, n => new ValueCipher(n, Enumerable.Repeat(n, AttributeCipher.KeyBytes).ToArray())), current);

    private static EntityModel Model(AttributeCipher cipher) =>
        ModelFixtures.Bind(Customers, "CUSTOMER#{id}", "X", cipher, ("email", new ColumnDefinition { Encrypt = true }));

    private static string Canonical(EntityModel model, string item)
    {
        using var batch = new ItemBatch();
        new ItemCanonicalizer([model]).Append(Encoding.UTF8.GetBytes(item), batch);
        return Encoding.UTF8.GetString(batch.Item(0).Span);
    }

    private AttributeCipher Open() => new(new KeyRingKeeper(
        ring,
        (_, _) =>
        {
            Interlocked.Increment(ref reads);
            return ring is null ? throw new InvalidOperationException("unreachable") : Task.FromResult(ring);
        },
        time,
        time.GetTimestamp()));

    private sealed class SetTime : TimeProvider
    {
        private long now = TimeSpan.TicksPerDay;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref now);

        public void Pass(TimeSpan span) => Interlocked.Add(ref now, span.Ticks);
    }
}
