use expect_test::expect;

use crate::{Alu, Assembler, Condition, Error, Reg, Width};

#[test]
fn text_and_bytes() {
    let mut asm = Assembler::new();
    let end = asm.label();
    let unused = asm.label();
    asm.bind(unused);
    asm.copy(Reg::R6, Reg::R1);
    asm.load(Width::U64, Reg::R2, Reg::R6, 16);
    asm.alu(Alu::Shl, Reg::R2, 32);
    asm.alu_reg(Alu::Xor, Reg::R2, Reg::R6);
    asm.jump_if(Condition::SGt, Reg::R2, -1_i64 as u64, end);
    asm.jump_if(Condition::Eq, Reg::R2, u64::MAX >> 1, end);
    asm.jump_if_reg(Condition::Set, Reg::R2, Reg::R6, end);
    asm.map(Reg::R1, "tg_events");
    asm.call("send");
    asm.call_helper(14);
    asm.store(Width::U16, Reg::R10, -8, Reg::R0);
    asm.store_imm(Width::U8, Reg::R10, -8, 7);
    asm.jump(end);
    asm.set(Reg::R0, 1 << 40);
    asm.bind(end);
    asm.exit();
    assert!(asm.is_used(end) && !asm.is_used(unused));
    let code = asm.finish().unwrap();
    expect![[r"
        0: r6 = r1
        1: r2 = *(u64*)(r6 +16)
        2: r2 <<= 32
        3: r2 ^= r6
        4: if r2 s> -1 goto 18
        5: r0 = 0x7fffffffffffffff ll
        7: if r2 == r0 goto 18
        8: if r2 & r6 goto 18
        9: r1 = map[tg_events]
        11: call send
        12: call helper 14
        13: *(u16*)(r10 -8) = r0
        14: *(u8*)(r10 -8) = 7
        15: goto 18
        16: r0 = 0x10000000000 ll
        18: exit
    "]]
    .assert_eq(&code.to_string());
    assert_eq!(code.insns[1].bytes(), [0x79, 0x62, 16, 0, 0, 0, 0, 0]);
    assert_eq!(code.insns[11].bytes(), [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff]);
}

#[test]
fn jumps_go_somewhere() {
    let mut asm = Assembler::new();
    let label = asm.label();
    asm.jump(label);
    assert_eq!(asm.clone().finish(), Err(Error::Unbound { at: 0 }));
    asm.bind(label);
    assert_eq!(asm.clone().finish(), Err(Error::Unbound { at: 0 }), "nothing is there");
    let mut far = Assembler::new();
    let end = far.label();
    far.jump(end);
    for _ in 0..40_000 {
        far.set(Reg::R0, 0);
    }
    far.bind(end);
    far.exit();
    assert!(matches!(
        far.finish(),
        Err(Error::TooFar {
            at: 0,
            distance: 40_000
        })
    ));
}
