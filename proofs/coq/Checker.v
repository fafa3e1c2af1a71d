(* The checker. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool Permutation FMapPositive.
From Exactcam Require Import Lists Plane Polygon Tiling Network Regions Evaluate.
Import ListNotations.
Open Scope Z_scope.

(* ---------- geometry at homogeneous integer points *)
Definition det (p q r : hpt) : Z :=
  let '(a, b, c) := p in let '(d, e, f) := q in let '(g, h, i) := r in
  a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g).
(* Convex: the corners turn left about the first, within half a turn, and each three in a row turn left. *)
Fixpoint turns (a b : hpt) (l : list hpt) : bool :=
  match l with [] => true | c :: t => (0 <? det a b c) && turns b c t end.
Fixpoint around (o a : hpt) (l : list hpt) : bool :=
  match l with [] => true | b :: t => (0 <? det o a b) && around o b t end.
Definition polyZ (l : list hpt) : bool :=
  match l with
  | o :: a :: b :: t => forallb (fun c => 0 <? det o a c) t && around o a (b :: t) && turns a b t
  | _ => false
  end.
Definition heq (p q : hpt) : bool :=
  let '(a, b, c) := p in let '(d, e, f) := q in (a =? d) && (b =? e) && (c =? f).
Definition towards (a b c : hpt) : Z :=   (* (b - a) . (c - a), times something positive *)
  let '(ax, ay, aw) := a in let '(bx, b_y, bw) := b in let '(cx, cy, cw) := c in
  (bx * aw - ax * bw) * (cx * aw - ax * cw) + (b_y * aw - ay * bw) * (cy * aw - ay * cw).
Definition between (a b c : hpt) : bool := (det a b c =? 0) && (0 <? towards a b c) && (0 <? towards c b a).
Fixpoint steps (a : hpt) (l : list hpt) (c : hpt) : bool :=
  match l with
  | [] => false
  | b :: l' => match l' with [] => heq b c | _ => between a b c && steps b l' c end
  end.

(* ---------- vertices, pieces, regions *)
Fixpoint bits (f : Z -> bool) (l : list Z) : Z := match l with [] => 0 | z :: t => Z.b2z (f z) + 2 * bits f t end.
Definition pos z := 0 <? z.
Definition negb_ z := z <? 0.
Definition nul z := z =? 0.
Record vtx := V { vp : hpt; va : Z; vb : Z; vm : list Z }.
Record question := Q { network : net; rows : list (Z * Z * Z); den : positive; window : list hpt }.
Definition evalv (q : question) (h : hpt) : vtx :=
  let '(o, g) := observedZ (network q) (hw h) [(Zpos (den q), inputZ (rows q) h)] in
  V h (bits pos o) (bits negb_ o) (map (bits nul) g).
Definition code := (Z * Z * list Z)%type.
Fixpoint ors (f : vtx -> Z) (l : list vtx) : Z := match l with [] => 0 | v :: t => Z.lor (f v) (ors f t) end.
Fixpoint map2 (f : Z -> Z -> Z) (l m : list Z) : list Z :=
  match l, m with a :: l', b :: m' => f a b :: map2 f l' m' | _, _ => [] end.
Fixpoint ands (m : list Z) (l : list vtx) : list Z := match l with [] => m | v :: t => map2 Z.land (vm v) (ands m t) end.
Definition code_of (l : list vtx) : code :=
  (ors va l, ors vb l, match l with [] => [] | v :: t => ands (vm v) t end).
Definition piece_ok (l : list vtx) : bool :=
  polyZ (map vp l) && let '(a, b, m) := code_of l in (Z.land a b =? 0) && forallb (fun x => 0 <? x) m.
Fixpoint leq (l m : list Z) : bool :=
  match l, m with [], [] => true | a :: l', b :: m' => (a =? b) && leq l' m' | _, _ => false end.
Definition ceq (c d : code) : bool := let '(a, b, m) := c in let '(a', b', m') := d in (a =? a') && (b =? b') && leq m m'.
Definition region_code (U : list (list vtx)) : option code :=
  match U with
  | [] => None
  | l :: t => let c := code_of l in
      if forallb piece_ok U && forallb (fun k => ceq (code_of k) c) t then Some c else None
  end.
Fixpoint all_some {A B} (f : A -> option B) (l : list A) : option (list B) :=
  match l with [] => Some [] | a :: t => match f a, all_some f t with Some b, Some u => Some (b :: u) | _, _ => None end end.

(* codes are pairwise different: sorted, strictly *)
Fixpoint lexlt (l m : list Z) : bool :=
  match l, m with [], _ :: _ => true | a :: l', b :: m' => match a ?= b with Lt => true | Eq => lexlt l' m' | Gt => false end | _, _ => false end.
Definition flat (c : code) : list Z := let '(a, b, m) := c in a :: b :: m.
Fixpoint increasing (l : list (list Z)) : bool :=
  match l with a :: ((b :: _) as t) => lexlt a b && increasing t | _ => true end.
Definition all_different (l : list (list Z)) : bool := increasing (msort (fun l m => negb (lexlt m l)) l).

(* directed edges *)
Definition edge := (positive * positive)%type.
Definition swap (e : edge) : edge := (snd e, fst e).
(* the network *)
Fixpoint wf_plZ (m : affmap) (r : list ((Z * positive) * affmap)) : bool :=
  match r with
  | [] => true
  | (t, m') :: r' =>
      (fst m * fst t + snd m * Zpos (snd t) =? fst m' * fst t + snd m' * Zpos (snd t))
      && match r' with [] => true | (t', _) :: _ => fst t * Zpos (snd t') <? fst t' * Zpos (snd t) end
      && wf_plZ m' r'
  end.
Definition wfZ (N : net) : bool :=
  forallb (fun n => match n with Pointwise _ _ us => forallb (fun u => wf_plZ (first u) (rest u)) us | _ => true end) N.

(* ---------- the certificate and the checker *)
Record answer := A { vertices : list hpt; regions : list (list (list positive)); sides : list (list positive) }.
Fixpoint tabulate {X} (l : list X) (k : positive) (m : PositiveMap.t X) : PositiveMap.t X :=
  match l with [] => m | x :: t => tabulate t (Pos.succ k) (PositiveMap.add k x m) end.
Definition tab {X} (l : list X) : PositiveMap.t X := tabulate l 1 (PositiveMap.empty X).
Definition table (q : question) (l : list hpt) : PositiveMap.t vtx := tab (map (evalv q) l).
Fixpoint sides_ok (P : positive -> option hpt) (W : list (hpt * hpt)) (s : list (list positive)) : bool :=
  match W, s with
  | [], [] => true
  | (a, c) :: W', (i :: t) :: s' =>
      match P i, all_some P t with
      | Some b, Some l => heq b a && steps a l c && sides_ok P W' s' | _, _ => false end
  | _, _ => false
  end.
Fixpoint codes (find : positive -> option vtx) (rs : list (list (list positive))) (acc : list (list Z)) : option (list (list Z)) :=
  match rs with
  | [] => Some acc
  | U :: t => match all_some (all_some find) U with
              | None => None
              | Some vs => match region_code vs with None => None | Some c => codes find t (flat c :: acc) end
              end
  end.
Fixpoint all_edges (rs : list (list (list positive))) (acc : list edge) : list edge :=
  match rs with [] => acc | U :: t => all_edges t (fold_left (fun acc l => rev_append (edges l) acc) U acc) end.
Definition side_edges (s : list (list positive)) : list edge :=
  flat_map (fun s => match s with [] => [] | i :: t => consec i t end) s.
(* all but that directed edges cancel, which Linear.v finds when it sorts them anyway *)
Definition core_ok (tbl : PositiveMap.t vtx) (q : question) (a : answer) : bool :=
  let find i := PositiveMap.find i tbl in
  wfZ (network q) && forallb (fun h => 0 <? hw h) (window q) && forallb (fun h => 0 <? hw h) (vertices a)
  && polyZ (window q)
  && match codes find (regions a) [] with None => false | Some cs => all_different cs end
  && sides_ok (fun i => option_map vp (find i)) (edges (window q)) (sides a).
Definition window_edges (a : answer) : list edge := rev_map swap (side_edges (sides a)) [].
Definition balanced (a : answer) : Prop :=
  let E := all_edges (regions a) (window_edges a) in Permutation E (map swap E).
Definition checked (q : question) (a : answer) : Prop :=
  core_ok (table q (vertices a)) q a = true /\ balanced a.
